import type { ComponentType } from 'react';
import { ErrorBoundary } from './design/error-boundary.tsx';
import { PlaygroundPage } from './pages/playground/playground-page.tsx';
import { SimulatorPage } from './pages/simulator/simulator-page.tsx';

/** The portal's pages by what follows the portal's own path; any other address is the simulator. */
const pages: Readonly<Record<string, ComponentType>> = { playground: PlaygroundPage };

export function App() {
  const Page = pages[window.location.pathname.slice(import.meta.env.BASE_URL.length)] ?? SimulatorPage;
  return (
    <ErrorBoundary>
      <Page />
    </ErrorBoundary>
  );
}
