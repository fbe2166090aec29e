import { listen } from './listen'

// Watches that a page may switch on. Each ends with the signal it was given.

export interface Watch {
  eventName: string
  customAttributes?: Record<string, unknown>
  selector?: string
  idleAfter?: number
  idleAfterSeconds?: number
  percentage?: number
}

type Watcher = (signal: AbortSignal, watches: Watch[], hit: (w: Watch) => unknown) => void

export const clicks: Watcher = (signal, watches, hit) =>
  listen(signal, 'click', (e) => watches.forEach((w) => (e.target as Element).closest(w.selector!) && hit(w)))

export const idle: Watcher = (signal, watches, hit) => {
  let timers: ReturnType<typeof setTimeout>[] = []
  const again = (): void => {
    timers.forEach(clearTimeout)
    timers = signal.aborted ? [] : watches.map((w) => setTimeout(hit, (w.idleAfter || w.idleAfterSeconds || 60) * 1e3, w))
  }
  listen(signal, 'pointermove pointerdown keydown scroll', again)
  signal.addEventListener('abort', again)
  again()
}

export const inViewport: Watcher = (signal, watches, hit) =>
  watches.forEach((w) => {
    const observer = new IntersectionObserver((entries) =>
      entries.forEach((entry) => {
        if (entry.isIntersecting) {
          observer.unobserve(entry.target)
          hit(w)
        }
      }),
    )
    document.querySelectorAll(w.selector!).forEach((e) => observer.observe(e))
    signal.addEventListener('abort', () => observer.disconnect())
  })

export const scrollDepth: Watcher = (signal, watches, hit) =>
  listen(signal, 'scroll', () => {
    const reached = ((scrollY + innerHeight) / document.documentElement.scrollHeight) * 100
    watches = watches.filter((w) => reached < w.percentage! || void hit(w))
  })

/** Calls back after each change of the address without a page load. */
export const urlChange = (signal: AbortSignal, changed: () => void): void => {
  // A tick later: by then the application has set the title.
  const soon = (): unknown => setTimeout(() => signal.aborted || changed())
  const modern = (window as unknown as { navigation?: EventTarget }).navigation
  if (modern) modern.addEventListener('currententrychange', soon, { signal })
  else {
    for (const name of ['pushState', 'replaceState'] as const) {
      const original = history[name]
      history[name] = (...args) => {
        original.apply(history, args)
        soon()
      }
      signal.addEventListener('abort', () => (history[name] = original))
    }
    listen(signal, 'popstate hashchange', soon)
  }
}
