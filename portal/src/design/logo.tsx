/** Konstruct's mark: a bar and two girders that hold each other up. */
export function Logo({ size = 32 }: { readonly size?: number }) {
  return (
    <svg viewBox="0 0 32 32" width={size} height={size} role="img" aria-label="Konstruct">
      <rect x="8" y="7" width="5" height="18" rx="1.5" fill="#f4efe4" />
      <path d="M15 15.2 22.4 7H25a1 1 0 0 1 .7 1.7L18.6 16Z" fill="#f5b02e" />
      <path d="M15 16.8 18.6 16l7.2 7.4A1 1 0 0 1 25 25h-2.7Z" fill="#4cc3ae" />
    </svg>
  );
}
