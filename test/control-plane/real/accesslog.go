package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"k8s.io/apiserver/pkg/endpoints/responsewriter"
)

// accessLog writes one JSON line per answered request, from outside the whole handler chain.
//
// An ordinary answer sits in the HTTP server's buffer until the handler returns, and the line is
// written (one write(2), in append mode) just before that: whatever a client has received is in the
// file even if the process is killed at once. A handler that flushes (a watch) gets a first line,
// "open":true, before its first bytes leave, and a second when it ends. What a power cut may take
// is the page cache, hence the newest lines.
type accessLog struct{ file *os.File }

type accessLine struct {
	StartedUS int64  `json:"t_wall_us"`
	EndedUS   int64  `json:"end_wall_us"`
	Verb      string `json:"verb"`
	Path      string `json:"path"`
	Code      int    `json:"code"`
	From      string `json:"from"`
	Agent     string `json:"agent"`
	Open      bool   `json:"open,omitempty"`
}

func openAccessLog(path string) (*accessLog, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open the access log: %w", err)
	}
	return &accessLog{file: file}, nil
}

func (l *accessLog) write(line accessLine) {
	line.EndedUS = time.Now().UnixMicro()
	encoded, err := json.Marshal(line)
	if err == nil {
		_, err = l.file.Write(append(encoded, '\n'))
	}
	if err != nil {
		logrus.Errorf("Access log: %v", err)
	}
}

// recorder sees the status and the first flush. The decorator keeps Hijacker and CloseNotifier.
type recorder struct {
	http.ResponseWriter
	log    *accessLog
	line   accessLine
	opened bool
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) WriteHeader(code int) {
	if r.line.Code == 0 && code >= 200 {
		r.line.Code = code
	}
	r.ResponseWriter.WriteHeader(code)
}

func (r *recorder) Write(data []byte) (int, error) {
	if r.line.Code == 0 {
		r.line.Code = http.StatusOK
	}
	return r.ResponseWriter.Write(data)
}

func (r *recorder) Flush() {
	if !r.opened {
		r.opened = true
		line := r.line
		line.Open = true
		if line.Code == 0 {
			line.Code = http.StatusOK
		}
		r.log.write(line)
	}
	r.ResponseWriter.(http.Flusher).Flush()
}

// wrap logs, and answers the two questions k3s's supervisor answers without authentication.
func (l *accessLog) wrap(next http.Handler, caFile []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		agent, _, _ := strings.Cut(request.UserAgent(), " ")
		record := &recorder{ResponseWriter: w, log: l, line: accessLine{
			StartedUS: time.Now().UnixMicro(), Verb: request.Method, Path: request.URL.RequestURI(),
			From: request.RemoteAddr, Agent: agent,
		}}
		// Deferred, because the chain panics with http.ErrAbortHandler to cut a connection.
		defer func() {
			if record.line.Code == 0 {
				record.line.Code = http.StatusOK
			}
			record.line.Open = false
			l.write(record.line)
		}()
		writer := responsewriter.WrapForHTTP1Or2(record)
		switch request.URL.Path {
		case "/ping":
			writer.Header().Set("Content-Type", "text/plain")
			_, _ = writer.Write([]byte("pong"))
		case "/cacerts":
			writer.Header().Set("Content-Type", "text/plain")
			_, _ = writer.Write(caFile)
		default:
			next.ServeHTTP(writer, request)
		}
	})
}
