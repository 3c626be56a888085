/** Opens something once, when it is first asked for; after a failure the next one asks again. */
export function openOnUse<T>(open: () => Promise<T>): { get(): Promise<T>; current(): T | null } {
  let opening: Promise<T> | null = null;
  let opened: T | null = null;
  return {
    get() {
      opening ??= open().then(
        (value) => {
          opened = value;
          return value;
        },
        (error: unknown) => {
          opening = null;
          throw error;
        },
      );
      return opening;
    },
    current: () => opened,
  };
}
