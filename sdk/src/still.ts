import { h } from './dom'
import type { Config } from './settings'

let box: HTMLElement | undefined

/**
 * Says that scripts of other tools run until the page is loaded anew, and offers that; or takes it away again,
 * because nothing runs any more without its purpose. It is fetched only when the first of this happens.
 */
export default (config: Config, say: boolean): void => {
  box?.remove()
  // A notice that was published before there were words for this has none; mixing languages helps nobody.
  if (!say || !config.still || !config.reload) return
  const button = h('button', { type: 'button', 'data-probity': 'reload' }, config.reload)
  button.addEventListener('click', () => location.reload())
  button.style.cssText = 'font:inherit;min-height:44px;padding:0 .75rem'
  box = document.body.appendChild(h('div', { class: 'probity-still', role: 'status', lang: config.language || '', dir: 'auto' }))
  // Through the object model, which a strict style policy allows; above the controls in the corner, in the colours of the page.
  box.style.cssText =
    'position:fixed;inset-block-end:8rem;inset-inline:.5rem auto;max-inline-size:min(24rem,calc(100% - 1rem));box-sizing:border-box;padding:.75rem 1rem;border:1px solid;border-radius:8px;background:Canvas;color:CanvasText;font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere;z-index:2147483645'
  const words = h('p', {}, config.still)
  // Said to those who listen too: programs that read aloud hear of words that come into a region they know.
  const region = box
  setTimeout(() => region.append(words, button), 100)
}
