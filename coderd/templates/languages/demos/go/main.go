// A web server with nothing but Go's standard library.
package main

import (
	"cmp"
	"fmt"
	"log"
	"net/http"
	"os"
	"runtime"
)

func main() {
	port := cmp.Or(os.Getenv("PORT"), "8000")
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello from %s\n", runtime.Version())
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, nil))
}
