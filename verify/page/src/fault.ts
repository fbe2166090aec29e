/** What is wrong with a file. The words are those of the Go verifier, so that both can be compared. */
export type Reason =
  | 'malformed' | 'bad key' | 'wrong key' | 'bad signature' | 'bad checkpoint' | 'other log' | 'edited entry'
  | 'bad proof' | 'edited notice' | 'edited body' | 'incomplete' | 'bad order' | 'split view'
  | 'wrong period' | 'not witnessed'

/** Says why a file can't be relied on. */
export class Fault extends Error {
  constructor(readonly reason: Reason, readonly detail: string) {
    super(`${reason}: ${detail}`)
  }
}

export function fault(reason: Reason, detail: string): Fault {
  return new Fault(reason, detail)
}

/** Runs a check of one part and says in a fault which part it was. */
export async function within<T>(part: string, check: () => T | Promise<T>): Promise<T> {
  try {
    return await check()
  } catch (e) {
    if (e instanceof Fault) throw fault(e.reason, `${part}: ${e.detail}`)
    throw e
  }
}

/** Thrown where the browser can't do what a check needs: then nothing is said about the file. */
export class Unable extends Error {}
