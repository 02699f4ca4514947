module bench/words

go 1.21
