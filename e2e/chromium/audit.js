// Checks of WCAG 2.2 that need no judgement. Evaluates to a list of faults.
(() => {
  const faults = [];
  const fault = (rule, e, more = '') => faults.push(`${rule}: <${e.tagName.toLowerCase()}${e.id ? '#' + e.id : ''}> ${(e.textContent || '').trim().slice(0, 40)} ${more}`.trim());
  const all = (selector) => [...document.querySelectorAll(selector)];
  const seen = (e) => e.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) && e.getClientRects().length > 0;
  const hiddenFromAll = (e) => e.closest('[aria-hidden=true], [hidden], [inert]');

  // Structure and language: 1.3.1, 2.4.2, 3.1.1, 4.1.2.
  const root = document.documentElement;
  if (!root.lang) fault('3.1.1 no language', root);
  if (!document.title.trim()) fault('2.4.2 no title', root);
  if (all('main, [role=main]').length != 1) fault('1.3.1 not one main', root, String(all('main').length));
  if (all('h1').filter(seen).length != 1) fault('1.3.1 not one h1', root, String(all('h1').length));
  let level = 0;
  for (const h of all('h1, h2, h3, h4, h5, h6').filter(seen)) {
    if (h.closest('[role=dialog]')) continue;
    const n = Number(h.tagName[1]);
    if (level && n > level + 1) fault('1.3.1 a heading level is skipped', h);
    level = n;
  }
  const ids = new Set();
  for (const e of all('[id]')) {
    if (ids.has(e.id)) fault('4.1.1 an id is used twice', e);
    ids.add(e.id);
  }
  for (const e of all('[aria-labelledby], [aria-describedby], label[for]'))
    for (const name of ['aria-labelledby', 'aria-describedby', 'for'])
      for (const id of (e.getAttribute(name) || '').split(' ').filter(Boolean)) if (!ids.has(id)) fault(`1.3.1 ${name} points nowhere`, e, id);
  for (const e of all('[tabindex]')) if (e.tabIndex > 0) fault('2.4.3 a tab order of its own', e);

  // Names: 1.1.1, 2.4.4, 3.3.2, 4.1.2.
  for (const e of all('img')) if (!e.hasAttribute('alt')) fault('1.1.1 an image without alt', e, e.src);
  const name = (e) =>
    e.getAttribute('aria-label') || (e.getAttribute('aria-labelledby') || '').split(' ').map((id) => document.getElementById(id)?.textContent).join('') || e.textContent.trim() || e.title || e.querySelector('img[alt]')?.alt || '';
  for (const e of all('button, a[href], summary')) if (seen(e) && !hiddenFromAll(e) && !name(e)) fault('4.1.2 a control without a name', e, e.outerHTML.slice(0, 80));
  for (const e of all('input:not([type=hidden]), select, textarea')) if (seen(e) && ![...(e.labels || [])].some((l) => l.textContent.trim()) && !name(e)) fault('3.3.2 a field without a label', e, e.name);
  for (const e of all('svg')) if (!hiddenFromAll(e) && !e.closest('button, a') && e.getAttribute('role') != 'img') fault('1.1.1 a drawing without a role', e);
  for (const e of all('th')) if (!e.scope) fault('1.3.1 a table head without a scope', e);

  // Contrast: 1.4.3.
  const parse = (c) => {
    const v = (c.match(/[\d.]+/g) || []).map(Number);
    return c.startsWith('color(srgb') ? [v[0] * 255, v[1] * 255, v[2] * 255, v[3] ?? 1] : [v[0], v[1], v[2], v[3] ?? 1];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const ground = (e) => {
    const layers = [];
    for (let at = e; at; at = at.parentElement) {
      const s = getComputedStyle(at);
      if (s.backgroundImage != 'none') return;
      const c = parse(s.backgroundColor);
      if (c[3] > 0) layers.push(c);
      if (c[3] == 1) break;
    }
    const dark = /dark/.test(getComputedStyle(root).colorScheme) && matchMedia('(prefers-color-scheme: dark)').matches;
    return layers.reverse().reduce((below, top) => over(top, below), dark ? [18, 18, 18, 1] : [255, 255, 255, 1]);
  };
  const light = (c) => {
    const [r, g, b] = c.slice(0, 3).map((v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  for (const e of all('body *')) {
    if (!seen(e) || hiddenFromAll(e) || e.closest('svg') || e.disabled) continue;
    if (![...e.childNodes].some((n) => n.nodeType == 3 && n.nodeValue.trim())) continue;
    const s = getComputedStyle(e);
    if (parseFloat(s.width) <= 1 || s.clipPath == 'inset(50%)') continue;
    const below = ground(e);
    if (!below) continue;
    const [x, y] = [light(over(parse(s.color), below)), light(below)].sort((a, b) => b - a);
    const size = parseFloat(s.fontSize);
    const least = size >= 24 || (size >= 18.66 && Number(s.fontWeight) >= 700) ? 3 : 4.5;
    const ratio = (x + 0.05) / (y + 0.05);
    if (ratio < least - 0.01) fault('1.4.3 contrast', e, ratio.toFixed(2));
  }

  // Targets: 2.5.8. Links within a sentence are exempt.
  for (const e of all('button, input:not([type=hidden]), select, summary, [role=button]')) {
    if (!seen(e) || hiddenFromAll(e)) continue;
    const r = e.getBoundingClientRect();
    const label = e.labels?.[0]?.getBoundingClientRect();
    if ((r.width < 24 || r.height < 24) && !(label && label.height >= 24)) fault('2.5.8 a small target', e, `${r.width}×${r.height}`);
  }

  // Reflow: 1.4.10.
  if (document.scrollingElement.scrollWidth > innerWidth + 1) fault('1.4.10 the page scrolls sideways', root, `${document.scrollingElement.scrollWidth} > ${innerWidth}`);
  return faults;
})()
