// What examples/shop runs when it runs for real: answers on port 8080 with the greeting that its ConfigMap sets.
// SHOP_VERSION names the release; with SHOP_CRASH it says why and ends with status 1. `shop -v` prints the version,
// `shop -get URL` prints what another one answers, and `/eat` takes memory until something stops it.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	version := os.Getenv("SHOP_VERSION")
	if len(os.Args) > 1 && os.Args[1] == "-v" {
		fmt.Println(version)
		return
	}
	if len(os.Args) > 2 && os.Args[1] == "-get" {
		end(get(os.Args[2]))
		return
	}
	if reason := os.Getenv("SHOP_CRASH"); reason != "" {
		end(fmt.Errorf("shop %s cannot start: %s", version, reason))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	end(serve(ctx, version))
}

func serve(ctx context.Context, version string) error {
	host, _ := os.Hostname()
	answer := map[string]string{"version": version, "pod": host, "greeting": os.Getenv("greeting"), "currency": os.Getenv("currency")}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(answer)
	})
	mux.HandleFunc("/eat", func(http.ResponseWriter, *http.Request) {
		for eaten := [][]byte{}; ; {
			portion := make([]byte, 1<<20)
			for at := range portion {
				portion[at] = 1
			}
			eaten = append(eaten, portion)
		}
	})
	server := &http.Server{Addr: ":8080", Handler: mux}
	go func() {
		<-ctx.Done()
		deadline, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		server.Shutdown(deadline)
	}()
	fmt.Println("shop", version, "answers on", server.Addr)
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return nil
}

func get(url string) error {
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(os.Stdout, answer.Body)
	return err
}

func end(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
