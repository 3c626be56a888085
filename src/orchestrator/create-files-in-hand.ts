/** The memory that files take while turns have them: one allowance for all turns of a process. */
export interface FilesInHand {
  /**
   * Sets bytes aside for a turn, before they are fetched; waits, first come first served, until there is room.
   * @returns what gives back the part that was not needed; `null`: the signal came first
   */
  take(turnId: number, bytes: number, signal: AbortSignal): Promise<((unneededBytes: number) => void) | null>;
  /** The turn is over: all that it has is given back. */
  release(turnId: number): void;
}

interface Waiting {
  readonly bytes: number;
  readonly begin: () => void;
}

/**
 * Without it fifty turns at once, each with all the files that one may have, are two gigabytes: the files, their base64
 * and the request that holds it.
 *
 * @param maxBytes for all turns together; a single file that is larger has to have it alone
 */
export function createFilesInHand(maxBytes: number): FilesInHand {
  const held = new Map<number, number>();
  const waiting = new Set<Waiting>();
  let takenBytes = 0;

  function change(turnId: number, bytes: number): void {
    takenBytes += bytes;
    held.set(turnId, (held.get(turnId) ?? 0) + bytes);
  }

  const hasRoom = (bytes: number) => takenBytes === 0 || takenBytes + bytes <= maxBytes;

  /** Only from the front: a large file is not overtaken by small ones for ever. */
  function letIn(): void {
    for (const next of waiting) {
      if (!hasRoom(next.bytes)) return;
      waiting.delete(next);
      next.begin();
    }
  }

  return {
    async take(turnId, bytes, signal) {
      if (signal.aborted) return null;
      if (waiting.size > 0 || !hasRoom(bytes)) {
        const { promise, resolve } = Promise.withResolvers<boolean>();
        const place = {
          bytes,
          begin() {
            change(turnId, bytes);
            resolve(true);
          },
        };
        waiting.add(place);
        const leave = () => {
          if (waiting.delete(place)) resolve(false);
          letIn();
        };
        signal.addEventListener('abort', leave, { once: true });
        const isIn = await promise;
        signal.removeEventListener('abort', leave);
        if (!isIn) return null;
      } else {
        change(turnId, bytes);
      }
      return (unneededBytes) => {
        if (!held.has(turnId)) return; // all of it was given back
        change(turnId, -unneededBytes);
        letIn();
      };
    },
    release(turnId) {
      takenBytes -= held.get(turnId) ?? 0;
      held.delete(turnId);
      letIn();
    },
  };
}
