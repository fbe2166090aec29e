package stream_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"probity/internal/stream"
)

// A record that Append returned for is on disk, and whoever follows gets it in its place.
func Example() {
	dir, err := os.MkdirTemp("", "log")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	log, err := stream.Open(ctx, stream.Options{Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer log.Close()

	for _, record := range []string{"one", "two", "three"} {
		if _, err := log.Append(ctx, 0, []byte(record)); err != nil {
			fmt.Println(err)
			return
		}
	}
	enough := errors.New("enough")
	err = log.Follow(ctx, 0, 1, func(f stream.Frame) error { // from behind the first frame
		for _, r := range f.Records {
			fmt.Println(f.Seq, string(r))
		}
		if f.Seq == 3 {
			return enough
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// 2 two
	// 3 three
	// enough
}
