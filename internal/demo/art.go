package demo

import (
	"fmt"
	"math"
	"strings"
)

// artwork says how a product's picture is drawn: a vessel, a motif on its label, and three colours
// (ground, vessel, accent). All pictures are drawn by this file; the shop loads nothing from
// elsewhere.
type artwork struct {
	vessel                 func(a artwork, b *strings.Builder)
	motif                  func(a artwork, b *strings.Builder)
	ground, colour, accent string
}

// drawing returns the picture as a standalone SVG document of 400 by 400 units.
func (a artwork) drawing() string {
	var b strings.Builder
	b.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400">`)
	fmt.Fprintf(&b, `<rect width="400" height="400" fill="%s"/>`, a.ground)
	b.WriteString(`<circle cx="200" cy="186" r="132" fill="#fff" opacity=".45"/>`)
	b.WriteString(`<ellipse cx="200" cy="338" rx="112" ry="13" fill="#1d2a24" opacity=".16"/>`)
	a.vessel(a, &b)
	b.WriteString(`</svg>`)
	return b.String()
}

func tin(a artwork, b *strings.Builder) {
	fmt.Fprintf(b, `<rect x="122" y="112" width="156" height="226" rx="12" fill="%s"/>`, a.colour)
	b.WriteString(`<rect x="122" y="112" width="34" height="226" rx="12" fill="#fff" opacity=".16"/>`)
	b.WriteString(`<rect x="248" y="112" width="30" height="226" rx="12" fill="#000" opacity=".12"/>`)
	fmt.Fprintf(b, `<rect x="114" y="78" width="172" height="46" rx="10" fill="%s"/>`, a.colour)
	b.WriteString(`<rect x="114" y="78" width="172" height="46" rx="10" fill="#000" opacity=".14"/>`)
	b.WriteString(`<rect x="114" y="117" width="172" height="7" rx="3" fill="#000" opacity=".14"/>`)
	b.WriteString(`<rect x="140" y="160" width="120" height="138" rx="6" fill="#fffdf8"/>`)
	b.WriteString(`<rect x="147" y="167" width="106" height="124" rx="3" fill="none" stroke="#1d2a24" stroke-opacity=".25" stroke-width="1.5"/>`)
	a.motif(a, b)
}

func pouch(a artwork, b *strings.Builder) {
	fmt.Fprintf(b, `<path d="M118 96q82-14 164 0l10 226q0 16-16 16H124q-16 0-16-16z" fill="%s"/>`, a.colour)
	b.WriteString(`<path d="M118 96q82-14 164 0l2 34q-84-12-168 0z" fill="#000" opacity=".15"/>`)
	b.WriteString(`<path d="M120 116q80-13 160 0" fill="none" stroke="#fff" stroke-opacity=".5" stroke-width="2" stroke-dasharray="5 5"/>`)
	b.WriteString(`<path d="M116 130l-8 192q0 16 16 16h14l8-206z" fill="#fff" opacity=".13"/>`)
	b.WriteString(`<rect x="140" y="160" width="120" height="138" rx="60" fill="#fffdf8"/>`)
	b.WriteString(`<rect x="147" y="167" width="106" height="124" rx="53" fill="none" stroke="#1d2a24" stroke-opacity=".25" stroke-width="1.5"/>`)
	a.motif(a, b)
}

func teapot(a artwork, b *strings.Builder) {
	fmt.Fprintf(b, `<path d="M292 224q46-2 58-62q3-12 14-9q10 3 7 15q-16 82-76 92z" fill="%s"/>`, a.accent)
	fmt.Fprintf(b, `<path d="M112 246Q64 232 52 176l-14-6q-6-8 4-12l40-4q12 40 40 58z" fill="%s"/>`, a.colour)
	fmt.Fprintf(b, `<path d="M96 248c0-74 46-112 104-112s104 38 104 112c0 56-38 90-104 90S96 304 96 248z" fill="%s"/>`, a.colour)
	fmt.Fprintf(b, `<path d="M97 238c4-66 48-102 103-102s99 36 103 102c-22 26-40 2-62 14s-36 20-56 4-58 14-88-18z" fill="%s"/>`, a.accent)
	b.WriteString(`<path d="M124 216q12-44 52-58" fill="none" stroke="#fff" stroke-opacity=".55" stroke-width="9" stroke-linecap="round"/>`)
	fmt.Fprintf(b, `<path d="M142 146q58-34 116 0q-58 14-116 0z" fill="%s"/>`, a.colour)
	fmt.Fprintf(b, `<circle cx="200" cy="114" r="14" fill="%s"/>`, a.accent)
}

func cups(a artwork, b *strings.Builder) {
	cup := func(x, y int, fill, rim string) {
		fmt.Fprintf(b, `<g transform="translate(%d %d)"><path d="M0 0h130q2 84-28 128H28Q-2 84 0 0z" fill="%s"/>`, x, y, fill)
		fmt.Fprintf(b, `<path d="M0 0h130q1 22-1 44-32 16-62 2T1 46Q0 22 0 0z" fill="%s"/>`, rim)
		b.WriteString(`<ellipse cx="65" cy="0" rx="65" ry="14" fill="#fff" opacity=".6"/><ellipse cx="65" cy="2" rx="54" ry="10" fill="#8a6a35" opacity=".75"/>`)
		b.WriteString(`<path d="M18 34q2 46 18 76" fill="none" stroke="#fff" stroke-opacity=".4" stroke-width="7" stroke-linecap="round"/></g>`)
	}
	cup(62, 178, a.accent, a.colour)
	cup(196, 208, a.colour, a.accent)
	b.WriteString(`<path d="M118 146q-14-18 0-36t0-36M270 176q-14-18 0-36t0-36" fill="none" stroke="#1d2a24" stroke-opacity=".2" stroke-width="5" stroke-linecap="round"/>`)
}

func bottle(a artwork, b *strings.Builder) {
	b.WriteString(`<path d="M172 118h56v34q0 14 14 28 14 16 14 38v96q0 24-24 24h-64q-24 0-24-24v-96q0-22 14-38 14-14 14-28z" fill="#fff" opacity=".75"/>`)
	fmt.Fprintf(b, `<path d="M150 214q50 16 100 0v98q0 20-20 20h-60q-20 0-20-20z" fill="%s" opacity=".85"/>`, a.colour)
	fmt.Fprintf(b, `<rect x="170" y="72" width="60" height="50" rx="8" fill="%s"/>`, a.accent)
	b.WriteString(`<path d="M172 86h56M172 98h56" stroke="#000" stroke-opacity=".16" stroke-width="3"/>`)
	b.WriteString(`<path d="M172 118h56v34q0 14 14 28 14 16 14 38v96q0 24-24 24h-64q-24 0-24-24v-96q0-22 14-38 14-14 14-28z" fill="none" stroke="#1d2a24" stroke-opacity=".28" stroke-width="3"/>`)
	b.WriteString(`<path d="M162 222v74" stroke="#fff" stroke-opacity=".7" stroke-width="8" stroke-linecap="round"/>`)
	for i, x := range []int{182, 206, 224, 196} {
		fmt.Fprintf(b, `<path d="M%d %dq12-14 24 0-12 14-24 0z" fill="#2c5a40" opacity=".7" transform="rotate(%d %d %d)"/>`, x-12, 250+i*18, 25*i-30, x, 250+i*18)
	}
}

func nothing(artwork, *strings.Builder) {}

// The motifs sit on the label, whose middle is at (200, 229).

func leafSprig(a artwork, b *strings.Builder) {
	fmt.Fprintf(b, `<g fill="%s"><path d="M198 276q0-40 4-88l4 0q-2 46-4 88z"/>`, a.accent)
	for i, s := range []struct{ x, y, turn int }{{203, 196, -90}, {202, 218, -35}, {202, 224, -145}, {201, 244, -28}, {201, 250, -152}} {
		size := 34 - i
		fmt.Fprintf(b, `<path transform="translate(%d %d) rotate(%d)" opacity="%.2f" d="M0 0q%d-%d %d 0q-%d %d-%d 0z"/>`,
			s.x, s.y, s.turn, 1-.06*float64(i), size/2, size/2, size, size/2, size/2, size)
	}
	b.WriteString(`</g>`)
}

func blossom(a artwork, b *strings.Builder) {
	flower := func(cx, cy, r float64) {
		for i := range 8 {
			fmt.Fprintf(b, `<ellipse cx="%.1f" cy="%.1f" rx="%.1f" ry="%.1f" fill="#fff" stroke="%s" stroke-width="1.6" transform="rotate(%d %.1f %.1f)"/>`,
				cx, cy-r*.62, r*.26, r*.44, a.accent, i*45, cx, cy)
		}
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="%.1f" fill="%s"/>`, cx, cy, r*.3, a.colour)
	}
	fmt.Fprintf(b, `<path d="M200 284q-4-30-2-50M201 280q10-22 24-30M199 282q-10-18-24-22" stroke="%s" stroke-width="3" fill="none" stroke-linecap="round"/>`, a.accent)
	flower(198, 212, 30)
	flower(228, 246, 19)
	flower(172, 254, 17)
}

func citrus(a artwork, b *strings.Builder) {
	fmt.Fprintf(b, `<circle cx="200" cy="229" r="46" fill="%s"/><circle cx="200" cy="229" r="40" fill="#fff6df"/>`, a.accent)
	for i := range 8 {
		t0, t1 := float64(i)*math.Pi/4+.09, float64(i+1)*math.Pi/4-.09
		fmt.Fprintf(b, `<path d="M200 229L%.1f %.1fA36 36 0 0 1 %.1f %.1fz" fill="%s" opacity=".82"/>`,
			200+36*math.Cos(t0), 229+36*math.Sin(t0), 200+36*math.Cos(t1), 229+36*math.Sin(t1), a.accent)
	}
	b.WriteString(`<circle cx="200" cy="229" r="5" fill="#fff6df"/>`)
}

func smoke(a artwork, b *strings.Builder) {
	b.WriteString(`<g fill="none" stroke="#45403f" stroke-width="5" stroke-linecap="round"><path d="M200 262q-26-18 0-36t0-40"/><path d="M180 262q-18-14 0-28t0-26" opacity=".55"/><path d="M220 262q-18-14 0-28t0-26" opacity=".55"/></g>`)
	fmt.Fprintf(b, `<path d="M166 276h68" stroke="%s" stroke-width="8" stroke-linecap="round"/>`, a.accent)
}

func grains(a artwork, b *strings.Builder) {
	for i := range 19 {
		angle := float64(i) * 2.39996 // the golden angle spreads them evenly
		r := 9.2 * math.Sqrt(float64(i)+.6)
		x, y := 200+r*math.Cos(angle), 229+r*math.Sin(angle)*1.12
		fill := a.accent
		if i%4 == 1 {
			fill = a.colour
		}
		fmt.Fprintf(b, `<ellipse cx="%.1f" cy="%.1f" rx="7" ry="4" fill="%s" transform="rotate(%d %.1f %.1f)"/>`, x, y, fill, i*47%180, x, y)
	}
}
