import { type Browser, chromium } from 'playwright-core';

/** Debian's, or the one that CHROMIUM names. Where there is none, what needs one is left out. */
export const browserProgram = process.env.CHROMIUM ?? '/usr/bin/chromium';

export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: browserProgram,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
  });
}
