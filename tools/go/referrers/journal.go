package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// entry is one accepted change of a manifest or tag.
type entry struct {
	Method, Path, ContentType string
	Body                      []byte
}

// keepManifests answers like next, and notes every manifest that is put or deleted in a journal under dir. The
// journal is played to next first: the registry package holds manifests in memory only.
func keepManifests(next http.Handler, dir string) (http.Handler, error) {
	path := filepath.Join(dir, "manifests.jsonl")
	if err := replay(next, path); err != nil {
		return nil, err
	}
	journal, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	var mutex sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		changes := (r.Method == http.MethodPut || r.Method == http.MethodDelete) && strings.Contains(r.URL.Path, "/manifests/")
		if !changes {
			next.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		mutex.Lock()
		defer mutex.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(answer, r)
		if answer.status >= 300 {
			return
		}
		line, _ := json.Marshal(entry{r.Method, r.URL.Path, r.Header.Get("Content-Type"), body})
		_, _ = journal.Write(append(line, '\n'))
	}), nil
}

func replay(next http.Handler, path string) error {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewReader(file)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return nil // what follows the last newline was cut off by a kill
		}
		if err != nil {
			return err
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		request := httptest.NewRequest(e.Method, e.Path, bytes.NewReader(e.Body))
		request.Header.Set("Content-Type", e.ContentType)
		next.ServeHTTP(httptest.NewRecorder(), request)
	}
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}
