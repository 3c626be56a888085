import { useEffect, useRef, useState } from 'react';
import type { ControlFile } from '../../../../src/simulator/control-api.ts';

/** As the simulator (src/simulator/control-routes.ts). */
export const MOST_FILES = 10;

/** A file that goes along with the next message. */
export interface Attached {
  readonly key: string;
  readonly name: string;
  readonly sizeBytes: number;
  /** `null`: it is on its way to the simulator. */
  readonly file: ControlFile | null;
}

export interface Attachments {
  readonly all: readonly Attached[];
  readonly areReady: boolean;
  add(files: Iterable<File>): void;
  remove(key: string): void;
  /** Puts back what was taken for a message that did not get through. */
  restore(attached: readonly Attached[]): void;
  clear(): void;
}

/**
 * Files are uploaded when they are chosen, as Slack does it; the message then names them. What does not get through goes
 * away again, and the page says why.
 *
 * @param upload `null`: it did not get through
 */
export function useAttachments(
  before: readonly Attached[],
  upload: (file: File, signal: AbortSignal) => Promise<ControlFile | null>,
): Attachments {
  const [all, setAll] = useState(before);
  const underWay = useRef(new Map<string, AbortController>());
  useEffect(() => {
    const { current } = underWay;
    return () => {
      for (const controller of current.values()) controller.abort();
    };
  }, []);
  const drop = (key: string): void => setAll((since) => since.filter((each) => each.key !== key));

  const addOne = async (key: string, chosen: File): Promise<void> => {
    const controller = new AbortController();
    underWay.current.set(key, controller);
    const file = await upload(chosen, controller.signal);
    underWay.current.delete(key);
    if (file === null) drop(key);
    else setAll((since) => since.map((each) => (each.key === key ? { ...each, file } : each)));
  };

  return {
    all,
    areReady: all.every(({ file }) => file !== null),
    add(files) {
      const chosen = [...files]
        .slice(0, MOST_FILES - all.length)
        .map((file) => ({ file, key: crypto.getRandomValues(new Uint32Array(2)).join('-') }));
      const added = chosen.map(({ key, file: { name, size } }) => ({
        key,
        name,
        sizeBytes: size,
        file: null,
      }));
      setAll((since) => [...since, ...added]);
      for (const { key, file } of chosen) void addOne(key, file);
    },
    remove(key) {
      underWay.current.get(key)?.abort();
      drop(key);
    },
    restore: (attached) => setAll((since) => [...attached, ...since]),
    clear: () => setAll([]),
  };
}
