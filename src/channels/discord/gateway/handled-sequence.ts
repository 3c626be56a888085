/**
 * Which events of a session are done: the number up to which all of them are. What comes after it Discord sends again when
 * the session is resumed, so an event counts only when it is stored.
 */
export class HandledSequence {
  #handled = 0;
  #received = 0;
  readonly #open = new Set<number>();

  get handled(): number {
    return this.#handled;
  }

  get open(): number {
    return this.#open.size;
  }

  /** The session is gone on with: what was not done comes again. */
  goOn(): void {
    this.#open.clear();
    this.#received = this.#handled;
  }

  /** `false`: it is one that came before. */
  begin(sequence: number): boolean {
    if (sequence <= this.#received) return false;
    this.#received = sequence;
    this.#open.add(sequence);
    return true;
  }

  done(sequence: number): void {
    this.#open.delete(sequence);
    // They are added in order, so the first is the smallest.
    const [oldest] = this.#open;
    this.#handled = oldest === undefined ? this.#received : oldest - 1;
  }
}
