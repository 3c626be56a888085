import { lookup as resolve } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import type { Credentials } from '../../core/tenant.ts';

/** Where a connection's server is. Nothing of a connection is ever asked for anywhere else. */
export interface MattermostServer {
  /** Without a slash at its end: `https://chat.acme.example`, perhaps with a path. */
  readonly base: string;
  /** The same without its scheme, which external ids begin with. */
  readonly place: string;
  readonly isEncrypted: boolean;
}

/** Addresses at which no company's server is, but where a cloud tells machines their secrets. */
const nowhere = new BlockList();
nowhere.addSubnet('0.0.0.0', 8, 'ipv4');
nowhere.addSubnet('169.254.0.0', 16, 'ipv4');
nowhere.addSubnet('224.0.0.0', 4, 'ipv4');
nowhere.addSubnet('fe80::', 10, 'ipv6');
nowhere.addSubnet('fd00:ec2::', 32, 'ipv6');
nowhere.addSubnet('ff00::', 8, 'ipv6');

/** The server that a connection names; `null`: that is no address of one. */
export function serverOf({ serverUrl = '' }: Credentials): MattermostServer | null {
  const url = URL.parse(serverUrl.trim());
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return null;
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') return null;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isNowhere(host)) return null;
  const path = url.pathname.replace(/\/+$/, '');
  return {
    base: url.origin + path,
    place: url.host + path,
    isEncrypted: url.protocol === 'https:',
  };
}

function isNowhere(address: string): boolean {
  const version = isIP(address);
  return version !== 0 && nowhere.check(address, version === 4 ? 'ipv4' : 'ipv6');
}

/** Finds a host's addresses, and none of those at which no server may be, whatever its name says. */
export const guardedLookup: LookupFunction = (hostname, options, callback) => {
  resolve(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) {
      callback(error, '', 0);
      return;
    }
    const allowed = addresses.filter(({ address }) => !isNowhere(address));
    const [first] = allowed;
    if (first === undefined) {
      callback(Object.assign(new Error('The address is refused.'), { code: 'ENOTFOUND' }), '', 0);
    } else if (options.all) callback(null, allowed);
    else callback(null, first.address, first.family);
  });
};
