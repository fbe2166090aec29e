package main

import (
	"context"
	"io"
	"strings"
	"time"

	"probity/internal/redact"
)

// letters is prose with as much personal data as letters to a shop have.
const letters = "When the parcel arrived on Tuesday, one of the two cups was broken, and the lid of the teapot did not fit. " +
	"I would like to have it replaced, or else the money back; the receipt is in the box. The order was made on 12 March 2026 for 39.90. " +
	"We looked at the pictures again and think that the colour is not the one shown on your pages, although that matters less. " +
	"Please write to jane.doe@example.com or call +44 20 7946 0958 in the afternoon, because nobody is at home in the morning.\n"

// redact measures how much text one core masks. The best round counts: the others tell how busy the
// machine was.
func (b *bench) redact(ctx context.Context) error {
	r, err := redact.New(redact.Options{})
	if err != nil {
		return err
	}
	const size, short = 8 << 20, 10 // short rounds, so that some meet a free core
	text := strings.Repeat(letters, size/len(letters))
	best, sum := time.Duration(0), time.Duration(0)
	for range short * b.rounds {
		if err := ctx.Err(); err != nil {
			return err
		}
		begin := time.Now()
		if err := r.Copy(io.Discard, strings.NewReader(text)); err != nil {
			return err
		}
		took := time.Since(begin)
		sum += took
		if best == 0 || took < best {
			best = took
		}
	}
	report("redact", float64(len(text))/1e6/best.Seconds(), "MB/s", 0)
	remark("all languages, one core; mean of %d rounds %.0f MB/s", short*b.rounds, float64(len(text))/1e6*float64(short*b.rounds)/sum.Seconds())
	return nil
}
