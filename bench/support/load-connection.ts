import { connect, type Socket } from 'node:net';

/** One kept-alive HTTP/1.1 connection with one request at a time. Costs a third of `node:http` in the generator. */
export interface LoadConnection {
  /** Resolves to the status once the whole response is there. @throws Error when the connection breaks */
  send(request: Buffer): Promise<number>;
  close(): void;
}

const HEAD_END = '\r\n\r\n';

export function openLoadConnection(port: number): Promise<LoadConnection> {
  return new Promise((resolveOpen, rejectOpen) => {
    let received = '';
    let waiting: { resolve(status: number): void; reject(error: Error): void } | null = null;
    let broken: Error | null = null;
    const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true });

    const fail = (error: Error): void => {
      broken ??= error;
      waiting?.reject(error);
      waiting = null;
      rejectOpen(error);
    };
    socket.setEncoding('latin1');
    socket.on('error', fail);
    socket.on('close', () => fail(new Error('The connection was closed.')));
    socket.on('data', (chunk: string) => {
      received += chunk;
      const status = completeStatus(received);
      if (status === null || waiting === null) return;
      const { resolve } = waiting;
      waiting = null;
      received = '';
      resolve(status);
    });
    socket.on('connect', () =>
      resolveOpen({
        send: (request) =>
          new Promise((resolve, reject) => {
            if (broken) {
              reject(broken);
              return;
            }
            waiting = { resolve, reject };
            socket.write(request);
          }),
        close: () => socket.destroy(),
      }),
    );
  });
}

/** The status of a response that is there to its end; `null`: more is to come. */
function completeStatus(received: string): number | null {
  const headEnd = received.indexOf(HEAD_END);
  if (headEnd === -1) return null;
  const head = received.slice(0, headEnd).toLowerCase();
  const status = Number(head.slice(9, 12));
  if (head.includes('transfer-encoding: chunked')) return received.endsWith(`0${HEAD_END}`) ? status : null;
  const length = Number(/content-length: (\d+)/.exec(head)?.[1] ?? 0);
  return received.length >= headEnd + HEAD_END.length + length ? status : null;
}
