// Command referrers serves an OCI registry with the referrers API, for tests.
//
//	referrers -address 127.0.0.1:0 [-dir DIR]     serve; prints the address it listens on as its only line
//	referrers -htpasswd USER                      print USER's htpasswd line for the password on standard input
//
// With -dir it keeps its content: blobs as files, and manifests as a journal that is read again at the start.
// REFERRERS_USER and REFERRERS_PASSWORD, when set, ask every request for that login.
package main

import (
	"crypto/subtle"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/registry"
	"golang.org/x/crypto/bcrypt"
)

func main() {
	address := flag.String("address", "127.0.0.1:0", "address to listen on")
	dir := flag.String("dir", "", "folder for what is pushed; empty keeps it in memory")
	user := flag.String("htpasswd", "", "print an htpasswd line for this user, and stop")
	flag.Parse()
	if *user != "" {
		printHtpasswd(*user)
		return
	}
	handler := open(*dir)
	if name := os.Getenv("REFERRERS_USER"); name != "" {
		handler = login(handler, name, os.Getenv("REFERRERS_PASSWORD"))
	}
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	log.Fatal(http.Serve(listener, handler))
}

func open(dir string) http.Handler {
	options := []registry.Option{registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0))}
	if dir == "" {
		return registry.New(options...)
	}
	handler := registry.New(append(options, registry.WithBlobHandler(registry.NewDiskBlobHandler(dir)))...)
	kept, err := keepManifests(handler, dir)
	if err != nil {
		log.Fatal(err)
	}
	return kept
}

func login(next http.Handler, user, password string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, p, _ := r.BasicAuth()
		right := subtle.ConstantTimeCompare([]byte(u), []byte(user)) & subtle.ConstantTimeCompare([]byte(p), []byte(password))
		if right == 1 {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="referrers"`)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
	})
}

func printHtpasswd(user string) {
	password, err := io.ReadAll(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(strings.TrimSpace(string(password))), bcrypt.MinCost)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s:%s\n", user, hash)
}
