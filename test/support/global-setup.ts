/** Starts what all tests share. Replaced by the embedded PostgreSQL cluster. */
export function setup(): void {}
