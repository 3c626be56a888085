// Before the first paint, so that a remembered theme does not flash. A file, because the page runs without inline scripts.
try {
  const theme = localStorage.getItem('konstruct.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage is blocked: the system's theme it is.
}
