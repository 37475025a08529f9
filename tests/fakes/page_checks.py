"""What can be wrong with a page for somebody who reads it: asked of the browser that shows it.

Contrast is computed of the colours that are really used, each text against the ground behind it
(WCAG 2.2, 1.4.3: 4.5, or 3 for large text; 1.4.11: 3 for the border of a field).
"""

from __future__ import annotations

from fakes.chromium import Screen, Tab

_SCRIPT = r"""
(() => {
  const problems = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const name = (e) => e.tagName.toLowerCase() + '.' + e.className + ' ' +
    (e.textContent || '').trim().slice(0, 30);

  const parse = (text) => {
    const found = text.match(/[\d.]+/g).map(Number);
    return { rgb: found.slice(0, 3), alpha: found.length > 3 ? found[3] : 1 };
  };
  const luminance = (rgb) => {
    const part = rgb.map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
  };
  const contrast = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.alpha === 1) return colour.rgb;
    }
    return [255, 255, 255];
  };
  const isShown = (e) => e.getClientRects().length && !e.closest('.hidden, .skip, template');

  for (const e of all('body *')) {
    const ownText = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!isShown(e) || !ownText) continue;
    const style = getComputedStyle(e);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const found = contrast(parse(style.color).rgb, ground(e));
    if (found < (isLarge ? 3 : 4.5)) problems.push(`contrast ${found.toFixed(2)}: ${name(e)}`);
    if (size < 12) problems.push(`small text, ${size}px: ${name(e)}`);
  }
  for (const e of all('input:not([type=hidden]):not([type=checkbox])')) {
    const found = contrast(parse(getComputedStyle(e).borderTopColor).rgb, ground(e.parentElement));
    if (found < 3) problems.push(`border contrast ${found.toFixed(2)}: ${name(e)}`);
  }

  for (const e of all('input:not([type=hidden])'))
    if (!e.labels.length) problems.push(`no label: ${name(e)}`);
  for (const e of all('a, button'))
    if (!e.textContent.trim()) problems.push(`no name: ${name(e)}`);
  for (const reference of ['aria-labelledby', 'aria-describedby'])
    for (const e of all(`[${reference}]`))
      if (!document.getElementById(e.getAttribute(reference)))
        problems.push(`${reference} of nothing: ${name(e)}`);
  const ids = all('[id]').map((e) => e.id);
  if (new Set(ids).size !== ids.length) problems.push('an id twice');

  const levels = all('h1, h2, h3, h4').map((e) => Number(e.tagName[1]));
  if (levels.filter((level) => level === 1).length !== 1) problems.push('not one h1');
  levels.forEach((level, i) => {
    if (level > (levels[i - 1] || 0) + 1) problems.push(`h${level} after h${levels[i - 1]}`);
  });
  if (!document.documentElement.lang) problems.push('no lang');
  if (!/ · Tagstream$/.test(document.title)) problems.push(`title: ${document.title}`);
  for (const landmark of ['header', 'main'])
    if (all(landmark).length !== 1) problems.push(`not one ${landmark}`);
  for (const table of all('table')) {
    if (!table.caption) problems.push('a table without a caption');
    if (table.querySelector('th:not([scope])')) problems.push('a th without scope');
  }
  for (const e of all('time'))
    if (Number.isNaN(Date.parse(e.dateTime))) problems.push(`datetime: ${e.dateTime}`);

  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth)
    problems.push(`scrolls sideways: ${root.scrollWidth} > ${root.clientWidth}`);
  if (innerWidth < 600)
    for (const e of all('button, .top nav a, input:not([type=hidden]):not([type=checkbox])')) {
      const box = e.getBoundingClientRect();
      if (box.width && Math.min(box.height, box.width) < 24)
        problems.push(`small target: ${name(e)}`);
    }
  return problems;
})()
"""


async def find_problems(tab: Tab, screen: Screen) -> list[str]:
    """One line for each problem of the page that the tab shows."""
    found = await tab.run(_SCRIPT)
    scheme = await tab.run("matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'")
    wrong = [] if scheme == screen.scheme else [f"shown in {scheme}"]
    return [*found, *wrong]
