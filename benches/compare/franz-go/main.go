// franz-go's producer in the comparison: takes the same flags as the others and prints the same line.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

var (
	bootstrap   = flag.String("bootstrap", "", "the cluster, as host:port")
	topic       = flag.String("topic", "perf", "")
	records     = flag.Int("records", 1_000_000, "")
	size        = flag.Int("size", 100, "the size of each value in bytes")
	acks        = flag.String("acks", "all", "")
	linger      = flag.Int("linger", 5, "in milliseconds")
	batch       = flag.Int("batch", 16_384, "the size of a batch in bytes")
	compression = flag.String("compression", "none", "")
	payload     = flag.String("payload", "", "a file that the values are cut from, instead of letters")
	idempotence = flag.String("idempotence", "true", "")
	sync        = flag.Bool("sync", false, "waits for each record before the next")
)

func main() {
	flag.Parse()
	client, err := kgo.NewClient(options()...)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	values := values()
	// It is connected when this is answered.
	if err := client.ProduceSync(context.Background(), &kgo.Record{Value: values[0]}).FirstErr(); err != nil {
		log.Fatal(err)
	}
	if *sync {
		oneAtATime(client, values)
	} else {
		allAtOnce(client, values)
	}
}

func options() []kgo.Opt {
	options := []kgo.Opt{
		kgo.SeedBrokers(*bootstrap),
		kgo.DefaultProduceTopic(*topic),
		kgo.ProducerLinger(time.Duration(*linger) * time.Millisecond),
		kgo.ProducerBatchMaxBytes(int32(max(*batch, *size+200))),
		kgo.ProducerBatchCompression(codec()),
		// Bounded by bytes, as the others are.
		kgo.MaxBufferedBytes(32 << 20),
		kgo.MaxBufferedRecords(1_000_000),
	}
	if isIdempotent, err := strconv.ParseBool(*idempotence); err != nil {
		log.Fatal(err)
	} else if !isIdempotent || *acks != "all" {
		options = append(options, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(5))
	}
	switch *acks {
	case "0":
		options = append(options, kgo.RequiredAcks(kgo.NoAck()))
	case "1":
		options = append(options, kgo.RequiredAcks(kgo.LeaderAck()))
	}
	return options
}

func codec() kgo.CompressionCodec {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	codec, isKnown := codecs[*compression]
	if !isKnown {
		log.Fatal("no such codec: ", *compression)
	}
	return codec
}

func values() [][]byte {
	if *payload == "" {
		return [][]byte{letters(*size)}
	}
	bytes, err := os.ReadFile(*payload)
	if err != nil {
		log.Fatal(err)
	}
	return slices.Collect(slices.Chunk(bytes[:len(bytes)/(*size)*(*size)], *size))
}

func allAtOnce(client *kgo.Client, values [][]byte) {
	var acked, failed atomic.Int64
	count := func(_ *kgo.Record, err error) {
		if err == nil {
			acked.Add(1)
		} else {
			failed.Add(1)
		}
	}
	userBefore, systemBefore, _ := usage()
	start := time.Now()
	for i := range *records {
		client.Produce(context.Background(), &kgo.Record{Value: values[i%len(values)]}, count)
	}
	if err := client.Flush(context.Background()); err != nil {
		log.Fatal(err)
	}
	seconds := time.Since(start).Seconds()
	rate := float64(acked.Load()) / seconds
	user, system, memory := usage()
	user, system = user-userBefore, system-systemBefore
	fmt.Printf("franz-go: %d acked %d failed in %.2f s = %.0f rec/s %.1f MB/s | cpu %.2f+%.2f s = %.3f s/M rec | rss %d MB\n",
		acked.Load(), failed.Load(), seconds, rate, rate*float64(*size)/1e6, user, system,
		(user+system)/float64(max(acked.Load(), 1))*1e6, memory)
}

func oneAtATime(client *kgo.Client, values [][]byte) {
	latencies := make([]time.Duration, *records)
	for i := range latencies {
		start := time.Now()
		value := values[i%len(values)]
		if err := client.ProduceSync(context.Background(), &kgo.Record{Value: value}).FirstErr(); err != nil {
			log.Fatal(err)
		}
		latencies[i] = time.Since(start)
	}
	slices.Sort(latencies)
	quantile := func(share float64) float64 {
		return float64(latencies[int(float64(len(latencies)-1)*share)].Nanoseconds()) / 1e3
	}
	user, system, _ := usage()
	fmt.Printf("franz-go: sync %d sends p50 %.0f us p95 %.0f us p99 %.0f us p99.9 %.0f us | cpu %.2f+%.2f s\n",
		len(latencies), quantile(0.5), quantile(0.95), quantile(0.99), quantile(0.999), user, system)
}

// Random letters, alike in every run.
func letters(count int) []byte {
	state := uint64(42)
	value := make([]byte, count)
	for i := range value {
		state = state*6364136223846793005 + 1442695040888963407
		value[i] = 'A' + byte((state>>33)%26)
	}
	return value
}

// Seconds in user mode and in the kernel, and the most megabytes ever held.
func usage() (user, system float64, memory int64) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, 0, 0
	}
	seconds := func(time syscall.Timeval) float64 { return float64(time.Sec) + float64(time.Usec)/1e6 }
	return seconds(usage.Utime), seconds(usage.Stime), usage.Maxrss / 1024
}
