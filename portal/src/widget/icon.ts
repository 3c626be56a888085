const SVG = 'http://www.w3.org/2000/svg';

const paths = {
  chat: 'M12 3c5 0 9 3.4 9 7.7s-4 7.7-9 7.7c-1 0-2-.1-2.900-.4L4.500 20.500l1-3.900C3.900 15.200 3 13 3 10.700 3 6.400 7 3 12 3Z',
  close: 'M6 6l12 12M18 6L6 18',
  dislike:
    'M17 3h3v10.5h-3zM17 13.5l-4.5 7.5a2.2 2.2 0 0 1-2-2.9l1-3.6H5.7a2 2 0 0 1-2-2.4l1.4-7A2 2 0 0 1 7 3.5h7l3 1',
  down: 'M6 9.500l6 6 6-6',
  like: 'M7 21H4V10.5h3zM7 10.5L11.5 3a2.2 2.2 0 0 1 2 2.9l-1 3.6h5.8a2 2 0 0 1 2 2.4l-1.4 7a2 2 0 0 1-1.9 1.6H10l-3-1',
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
