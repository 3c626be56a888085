import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** `npm run dev -w portal` serves the page alone and forwards its calls to a running `konstruct dev`. */
const konstruct = 'http://127.0.0.1:8001';

export default defineConfig({
  base: '/simulator/',
  plugins: [react()],
  build: {
    target: 'es2022',
    // Data URIs would need `img-src data:`; every asset stays a file of its own.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { '/simulator/control': konstruct } },
});
