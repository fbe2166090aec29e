import type { Config } from './settings'

/**
 * Beside the gate's own control: one that takes everything back in one click, as many as it took to give it.
 * Pages that bring their own control for that bring both. It goes when the tracker stops.
 */
export default (config: Config, signal: AbortSignal): void => {
  const control = document.querySelector<HTMLElement>('body>[data-privacy-choices=""]')
  if (!control || signal.aborted) return
  const out = control.cloneNode() as HTMLElement
  out.dataset['privacyChoices'] = 'withdraw'
  // Without the settings it is still offered, if not in the page's language.
  out.textContent = config.withdraw_all || 'Withdraw all'
  out.style.left = control.offsetWidth + 'px'
  control.after(out)
  signal.addEventListener('abort', () => out.remove())
}
