import { listen } from './listen'
import type { Page } from './page'
import { ask } from './wire'

/**
 * Holds a stream open while the page is visible and calls back with each message. Only one tab of a window
 * is visible, so the browser's few connections to one host stay free. Ends with the signal.
 */
export const live = (page: Page, signal: AbortSignal, message: (type: string, data: unknown) => void): void => {
  let current: AbortController | undefined
  let failures = 0

  const open = async (): Promise<void> => {
    const own = (current = new AbortController())
    let code = ''
    try {
      const r = await ask(page, '/probity/v1/deployments/' + page.id_ + '/live', { visitor: page.visitor_ }, own.signal, false)
      code += r.status
      const reader = r.body!.pipeThrough(new TextDecoderStream()).getReader()
      let text = ''
      for (let chunk; r.ok && !(chunk = await reader.read()).done; ) {
        failures = 0
        const blocks = (text + chunk.value).split('\n\n')
        text = blocks.pop()!
        for (const block of blocks) {
          const m = /event: ?(.+)\ndata: ?(.+)/.exec(block)
          if (m) message(m[1]!, JSON.parse(m[2]!))
        }
      }
    } catch {
      // The network went, or we closed it ourselves.
    }
    // Refused for good: asking again on this page would not help.
    if (!own.signal.aborted && !/4.[^9]/.test(code)) setTimeout(() => own.signal.aborted || open(), 1e3 * 2 ** Math.min(failures++, 5) * (0.5 + Math.random()))
  }
  const look = (e?: Event): void => {
    if (signal.aborted || document.hidden || e?.type == 'pagehide') {
      current?.abort()
      current = undefined
    } else if (!current) open()
  }
  listen(signal, 'visibilitychange pagehide pageshow', look)
  signal.addEventListener('abort', () => look())
  look()
}
