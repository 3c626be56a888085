import { defineConfig } from 'vite';

/** The web chat's script: one file that every site can load (`/widget.js`), beside the portal's own build. */
export default defineConfig({
  publicDir: false,
  build: {
    target: 'es2022',
    outDir: 'dist',
    emptyOutDir: false,
    lib: {
      entry: 'src/widget/main.ts',
      formats: ['iife'],
      name: 'konstructWidget',
      fileName: () => 'widget.js',
    },
  },
});
