/** Listens on the window, before the page does, until the signal ends it. */
export const listen = (signal: AbortSignal, types: string, fn: (e: Event) => unknown): void => {
  for (const type of types.split(' ')) addEventListener(type, fn, { capture: true, signal })
}
