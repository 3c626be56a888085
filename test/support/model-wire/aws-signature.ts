import { createHash, createHmac } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** An AWS account as the stand-in for Bedrock knows it. */
export interface AwsAccount {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Absent: the credentials are lasting ones, and a token is refused. */
  readonly sessionToken?: string;
  readonly region: string;
}

export interface SignedRequest {
  readonly method: string;
  /** Path and query as they came. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface SignatureRefusal {
  readonly status: 403;
  readonly type: string;
  readonly message: string;
}

/** AWS takes a request for as long as this after it was signed. */
const MAX_AGE_MS = 5 * 60_000;

/**
 * Checks a signature (version 4) as AWS does: makes it anew from what came over the wire and compares.
 * Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 *
 * @returns why it is refused, in AWS's words; `null`: it is right
 */
export function checkAwsSignature(
  request: SignedRequest,
  account: AwsAccount,
  options: { readonly service: string; readonly nowMs: number },
): SignatureRefusal | null {
  const { headers } = request;
  const written =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? '',
    );
  if (written === null) return refusal('IncompleteSignatureException', 'the header is not of the right form');
  const [, keyId = '', day = '', region = '', service = '', names = '', signature = ''] = written;
  if (keyId !== account.accessKeyId) return refusal('UnrecognizedClientException', 'the key is not known');
  if (headers['x-amz-security-token'] !== account.sessionToken) {
    const isMissing = headers['x-amz-security-token'] === undefined;
    return refusal(isMissing ? 'UnrecognizedClientException' : 'ExpiredTokenException', 'the token is wrong');
  }
  if (region !== account.region) {
    return refusal('InvalidSignatureException', `Credential should be scoped to a valid region: ${region}`);
  }
  if (service !== options.service) {
    return refusal('InvalidSignatureException', `Credential should be scoped to correct service: ${service}`);
  }
  const time = String(headers['x-amz-date'] ?? '');
  const signedAtMs = Date.parse(
    time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'),
  );
  if (!time.startsWith(day) || !(Math.abs(options.nowMs - signedAtMs) <= MAX_AGE_MS)) {
    return refusal('InvalidSignatureException', `Signature expired: ${time}`);
  }
  const mustBeSigned = Object.keys(headers).filter((name) => name === 'host' || name.startsWith('x-amz-'));
  const signed = names.split(';');
  if (!mustBeSigned.every((name) => signed.includes(name))) {
    return refusal('InvalidSignatureException', 'a header that must be signed is not');
  }
  const scope = `${day}/${region}/${service}/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', time, scope, sha256(canonicalRequest(request, signed))].join('\n');
  const key = [day, region, service, 'aws4_request'].reduce<string | Buffer>(
    (before, part) => hmac(before, part),
    `AWS4${account.secretAccessKey}`,
  );
  return hmac(key, text).toString('hex') === signature
    ? null
    : refusal('InvalidSignatureException', 'The request signature we calculated does not match');
}

function canonicalRequest({ method, url, headers, body }: SignedRequest, signed: readonly string[]): string {
  const [path = '/', query = ''] = url.split('?');
  return [
    method,
    // Each part once more, although it is encoded on the wire already: so it is for all services but S3.
    path.split('/').map(encode).join('/'),
    query
      .split('&')
      .filter((pair) => pair !== '')
      .sort()
      .join('&'),
    ...signed.map(
      (name) =>
        `${name}:${String(headers[name] ?? '')
          .trim()
          .replaceAll(/ +/g, ' ')}`,
    ),
    '',
    signed.join(';'),
    sha256(body),
  ].join('\n');
}

function encode(part: string): string {
  return encodeURIComponent(part).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function refusal(type: string, message: string): SignatureRefusal {
  return { status: 403, type, message };
}
