const SVG = 'http://www.w3.org/2000/svg';

const paths = {
  chat: 'M12 3c5 0 9 3.4 9 7.7s-4 7.7-9 7.7c-1 0-2-.1-2.900-.4L4.500 20.500l1-3.900C3.900 15.200 3 13 3 10.700 3 6.400 7 3 12 3Z',
  close: 'M6 6l12 12M18 6L6 18',
  down: 'M6 9.500l6 6 6-6',
  send: 'M4 12l16-7.500-5 15.500-3.500-6.500L4 12Z',
} as const;

/** Decoration: what a button does, its label says. */
export function icon(name: keyof typeof paths): SVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', paths[name]);
  svg.append(path);
  return svg;
}
