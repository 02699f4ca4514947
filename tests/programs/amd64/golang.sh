# A Go program that was built natively: goroutines, the collector, faults that become panics, network, signals, preemption.
/tmp/work/go-main; echo $?; GOMAXPROCS=1 /tmp/work/go-main | md5sum; GOMAXPROCS=4 GOGC=20 /tmp/work/go-main | md5sum; GODEBUG=asyncpreemptoff=1,cpu.avx2=off /tmp/work/go-main | md5sum
