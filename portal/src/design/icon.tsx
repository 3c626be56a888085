const paths = {
  attach:
    'M20 11.5l-8.2 8.2a5 5 0 0 1-7.1-7.1L13 4.3a3.4 3.4 0 0 1 4.8 4.8l-8.2 8.2a1.7 1.7 0 0 1-2.4-2.4l7.6-7.6',
  back: 'M15 5l-7 7 7 7',
  chat: 'M4 5h16v11H9l-5 4z',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  close: 'M6 6l12 12M18 6L6 18',
  copy: 'M9 9h10v11H9zM5 15V4h10',
  dislike:
    'M17 3h3v10.5h-3zM17 13.5l-4.5 7.5a2.2 2.2 0 0 1-2-2.9l1-3.6H5.7a2 2 0 0 1-2-2.4l1.4-7A2 2 0 0 1 7 3.5h7l3 1',
  down: 'M12 5v14M6 13l6 6 6-6',
  download: 'M12 4v11M7 10.5l5 5 5-5M5 20h14',
  edit: 'M4 20h4L19 9l-4-4L4 16z',
  eye: 'M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 9.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6z',
  file: 'M6 3h8l4 4v14H6zM14 3v4h4',
  hash: 'M9 4L7 20M17 4l-2 16M4.5 9h16M3.5 15h16',
  like: 'M7 21H4V10.5h3zM7 10.5L11.5 3a2.2 2.2 0 0 1 2 2.9l-1 3.6h5.8a2 2 0 0 1 2 2.4l-1.4 7a2 2 0 0 1-1.9 1.6H10l-3-1',
  lock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3',
  moon: 'M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z',
  mute: 'M4 9.5v5h3.5L12 19V5L7.5 9.5zM16 9.5l5 5M21 9.5l-5 5',
  route: 'M5 5h5v5H5zM14 14h5v5h-5zM10 7.5h3.5a3 3 0 0 1 3 3V14',
  send: 'M4 12l16-8-5 16-4-6z',
  smile: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM8.5 14a4 4 0 0 0 7 0M9 9.5v.3M15 9.5v.3',
  stop: 'M8.5 3h7L21 8.5v7L15.5 21h-7L3 15.5v-7zM8.5 12h7',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4',
  system: 'M4 5h16v11H4zM9 20h6M12 16v4',
  trash: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13',
  warning: 'M12 4l9 16H3zM12 10v4.5M12 17.2v.3',
} as const;

export type IconName = keyof typeof paths;

/** A line icon in the colour of the text; decoration only, the control around it carries the name. */
export function Icon({ name, size = 18 }: { readonly name: IconName; readonly size?: number }) {
  return (
    <svg
      className="icon"
      viewBox="0 0 24 24"
      width={size}
      height={size}
      fill="none"
      stroke="currentColor"
      strokeWidth="1.8"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={paths[name]} />
    </svg>
  );
}
