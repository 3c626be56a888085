const FOCUSABLE = 'button:not([disabled]), textarea:not([disabled]), a[href], [tabindex="0"]';

/** The next place for the Tab key inside of a panel, so that it goes round there; `null`: the browser may go its way. */
export function nextInside(
  panel: HTMLElement,
  active: Element | null,
  isBackwards: boolean,
): HTMLElement | null {
  const places = [...panel.querySelectorAll<HTMLElement>(FOCUSABLE)].filter(
    (place) => place.getClientRects().length > 0,
  );
  const [first, last] = [places[0], places.at(-1)];
  if (isBackwards && (active === first || active === panel)) return last ?? null;
  return !isBackwards && active === last ? (first ?? null) : null;
}
