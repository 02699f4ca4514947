%% Work for BeamAsm: pattern matching, processes, binaries, exceptions, code loaded and purged.
-module(jit).
-export([main/0]).
fib(N) when N < 2 -> N;
fib(N) -> fib(N - 1) + fib(N - 2).
sieve([]) -> [];
sieve([P | T]) -> [P | sieve([X || X <- T, X rem P =/= 0])].
ring(0, _, Parent) -> Parent ! done;
ring(N, Next, Parent) -> receive {token, K} -> Next ! {token, K + 1}, ring(N - 1, Next, Parent) end.
procs() ->
    Me = self(),
    Pids = [spawn(fun() -> S = lists:sum([X * X rem 7 || X <- lists:seq(1, 2000 + N)]), Me ! {N, S} end) || N <- lists:seq(1, 200)],
    length(Pids) + lists:sum([receive {N, S} -> S end || N <- lists:seq(1, 200)]).
errors() -> lists:sum([try case N rem 4 of 0 -> 1 div (N rem 2); 1 -> hd([]); 2 -> throw(N); 3 -> N end of V -> V catch error:badarith -> 1; error:badarg -> 2; throw:T -> T end || N <- lists:seq(1, 20000)]).
bins() -> B = << <<(N * 7919 rem 65536):16/big, (N / 3):64/float>> || N <- lists:seq(1, 20000) >>, {erlang:crc32(B), lists:sum([round(F) + I || <<I:16, F:64/float>> <= B])}.
reload(N) ->
    lists:foldl(fun(I, Acc) ->
        Forms = [{attribute, 1, module, t}, {attribute, 2, export, [{f, 1}]}, {function, 3, f, 1, [{clause, 3, [{var, 3, 'X'}], [], [{op, 3, '+', {var, 3, 'X'}, {integer, 3, I}}]}]}],
        {ok, t, Bin} = compile:forms(Forms), code:purge(t), {module, t} = code:load_binary(t, "t", Bin), Acc + t:f(I) end, 0, lists:seq(1, N)).
main() ->
    io:format("fib ~p~nsieve ~p~nprocs ~p~nerrors ~p~nbins ~p~nreload ~p~n", [fib(24), length(sieve(lists:seq(2, 8000))), procs(), errors(), bins(), reload(60)]),
    io:format("big ~p~nsort ~p~n", [lists:foldl(fun(X, A) -> A * X rem 1000000007 end, 1, lists:seq(1, 50000)), erlang:phash2(lists:sort([X * 7919 rem 65537 || X <- lists:seq(1, 50000)]))]),
    _ = ring(0, self(), self()), halt(0).
