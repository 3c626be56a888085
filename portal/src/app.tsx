import type { ComponentType } from 'react';
import { ErrorBoundary } from './design/error-boundary.tsx';
import { SimulatorPage } from './pages/simulator/simulator-page.tsx';

interface Page {
  readonly path: string;
  readonly component: ComponentType;
}

/** The portal's pages by path; the first whose path the address begins with is shown. */
const pages: readonly Page[] = [{ path: '/simulator', component: SimulatorPage }];

export function App() {
  const page = pages.find(({ path }) => window.location.pathname.startsWith(path)) ?? pages[0];
  return <ErrorBoundary>{page && <page.component />}</ErrorBoundary>;
}
