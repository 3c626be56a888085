const KIB = 1024;

/** `812 B`, `1.2 KB`, `35 MB`: as people's own systems say it. */
export function formatBytes(bytes: number): string {
  if (bytes < KIB) return `${bytes} B`;
  const [amount, unit] = bytes < KIB * KIB ? [bytes / KIB, 'KB'] : [bytes / (KIB * KIB), 'MB'];
  return `${amount < 9.95 ? amount.toFixed(1) : Math.round(amount)} ${unit}`;
}

/** Whether a browser draws it, and runs nothing of it, in an `img`. */
export function isPicture(mediaType: string): boolean {
  return /^image\/(png|jpeg|gif|webp|avif|svg\+xml)$/.test(mediaType);
}

/** What kind of file it is, for people: `CSV`, `PDF`; from the end of its name. */
export function fileKind(name: string): string {
  const ending = /\.([a-z0-9]{1,5})$/i.exec(name.trim())?.[1];
  return ending === undefined ? 'File' : ending.toUpperCase();
}
