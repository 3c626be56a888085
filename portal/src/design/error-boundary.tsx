import { Component, type ReactNode } from 'react';
import './error-boundary.css';

interface ErrorBoundaryState {
  readonly error: Error | null;
}

/** What a person sees when a page breaks: what happened and a way on, instead of a white screen. */
export class ErrorBoundary extends Component<{ readonly children: ReactNode }, ErrorBoundaryState> {
  override state: ErrorBoundaryState = { error: null };

  static getDerivedStateFromError(error: unknown): ErrorBoundaryState {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <main className="broken" role="alert">
        <h1>This page stopped working</h1>
        <p>Nothing is lost: your messages are on the server. Loading the page again usually helps.</p>
        <pre>{error.message}</pre>
        <button type="button" className="button button-primary" onClick={() => window.location.reload()}>
          Load again
        </button>
      </main>
    );
  }
}
