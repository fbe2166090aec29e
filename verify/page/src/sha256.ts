// SHA-256 after FIPS 180-4. The browser has one too, but only as a promise; a large file needs
// hundreds of thousands of small ones.

const round = new Uint32Array(64)
const start = new Uint32Array(8)

// The constants are the first 32 bits of the fractional parts of roots of the first primes.
for (let candidate = 2, n = 0; n < 64; candidate++) {
  let prime = true
  for (let d = 2; d * d <= candidate; d++) if (candidate % d === 0) prime = false
  if (!prime) continue
  const fraction = (x: number) => Math.floor((x - Math.floor(x)) * 2 ** 32)
  if (n < 8) start[n] = fraction(Math.sqrt(candidate))
  round[n++] = fraction(Math.cbrt(candidate))
}

const turn = (x: number, n: number) => (x >>> n) | (x << (32 - n))

export function sha256(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const padded = new Uint8Array(((message.length + 8) >> 6 << 6) + 64)
  padded.set(message)
  padded[message.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setUint32(padded.length - 8, Math.floor(message.length / 2 ** 29))
  view.setUint32(padded.length - 4, (message.length << 3) >>> 0)

  const state = start.slice()
  const w = new Uint32Array(64)
  const at = (a: Uint32Array, i: number) => a[i] ?? 0
  for (let block = 0; block < padded.length; block += 64) {
    for (let i = 0; i < 16; i++) w[i] = view.getUint32(block + 4 * i)
    for (let i = 16; i < 64; i++) {
      const x = at(w, i - 15)
      const y = at(w, i - 2)
      w[i] = at(w, i - 16) + (turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)) + at(w, i - 7) + (turn(y, 17) ^ turn(y, 19) ^ (y >>> 10))
    }
    let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state
    for (let i = 0; i < 64; i++) {
      const t1 = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + at(round, i) + at(w, i)) | 0
      const t2 = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0
      h = g; g = f; f = e; e = (d + t1) | 0; d = c; c = b; b = a; a = (t1 + t2) | 0
    }
    for (const [i, n] of [a, b, c, d, e, f, g, h].entries()) state[i] = at(state, i) + n
  }
  const out = new Uint8Array(32)
  const result = new DataView(out.buffer)
  state.forEach((n, i) => result.setUint32(4 * i, n))
  return out
}
