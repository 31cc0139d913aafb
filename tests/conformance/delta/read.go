// Reads deltas with Go's own compress/flate. Usage: go run read.go VECTORS
package main

import (
	"bytes"
	"compress/flate"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
)

func main() {
	file, err := os.ReadFile(os.Args[1])
	check("the file", err)
	var vectors []struct{ Name, Base, Delta, Payload string }
	check("JSON", json.Unmarshal(file, &vectors))
	for _, vector := range vectors {
		base, err := hex.DecodeString(vector.Base)
		check(vector.Name, err)
		delta, err := hex.DecodeString(vector.Delta)
		check(vector.Name, err)
		payload, err := hex.DecodeString(vector.Payload)
		check(vector.Name, err)
		dictionary := base[max(0, len(base)-32768):]
		read, err := io.ReadAll(flate.NewReaderDict(bytes.NewReader(delta), dictionary))
		check(vector.Name, err)
		if !bytes.Equal(read, payload) {
			log.Fatalf("%s: another payload", vector.Name)
		}
	}
	fmt.Printf("%d deltas were read\n", len(vectors))
}

func check(what string, err error) {
	if err != nil {
		log.Fatalf("%s: %v", what, err)
	}
}
