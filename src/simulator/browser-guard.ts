import type { FastifyRequest } from 'fastify';
import { SimulatorError } from './simulator-error.ts';

const loopbackHosts: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

/**
 * Keeps other web sites out, since a browser on this machine reaches loopback for every page that is open in it: the
 * host must be a loopback name (a rebound DNS name is not) and the page that asks must be our own. Programs that are no
 * browsers send neither `Sec-Fetch-Site` nor `Origin` and pass.
 * @throws SimulatorError `forbidden`
 */
export function guardAgainstOtherSites(request: FastifyRequest, allowedHosts: readonly string[]): void {
  const { host, origin, 'sec-fetch-site': site, 'sec-fetch-mode': mode } = request.headers;
  const hostname = (host ?? '').toLowerCase().replace(/:\d+$/, '');
  if (![...loopbackHosts, ...allowedHosts].includes(hostname)) {
    throw new SimulatorError(
      'forbidden',
      403,
      `The simulator does not answer to the host name "${hostname}".`,
    );
  }
  const isLink = mode === 'navigate' && request.method === 'GET';
  if (site !== undefined && site !== 'same-origin' && site !== 'none' && !isLink) {
    throw new SimulatorError('forbidden', 403, 'The simulator answers only to its own page.');
  }
  if (origin !== undefined && !isOriginOf(origin, host ?? '')) {
    throw new SimulatorError('forbidden', 403, 'The simulator answers only to its own page.');
  }
}

/**
 * The Web API is for programs: a page of another web site must not use it with a token it guessed.
 * @throws SimulatorError `forbidden`
 */
export function guardAgainstBrowsers(request: FastifyRequest): void {
  if (request.headers['sec-fetch-site'] !== undefined || request.headers.origin !== undefined) {
    throw new SimulatorError('forbidden', 403, 'The Web API is not for browsers.');
  }
}

function isOriginOf(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}
