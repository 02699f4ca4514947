# Go: built by Debian's compiler (with the standard library, whose parts are built first), run on one and on four threads.
export GOCACHE=$PWD/cache GOPATH=$PWD/path GO111MODULE=off GOFLAGS=-p=2 CGO_ENABLED=0
go version; go env GOARCH GOOS; cp /tmp/work/go.go main.go
go vet main.go; echo "vet $?"
go build -o main main.go && GOMAXPROCS=1 ./main && GOMAXPROCS=4 GOGC=20 ./main
