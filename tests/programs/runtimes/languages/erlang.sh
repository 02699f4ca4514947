# Erlang (its JIT): compiling, 20,000 processes, ports, timers, crypto, TLS, hot code loading, two nodes on loopback.
cat >t.erl <<'X'
-module(t).
-export([main/0, ring/2, v/0, remote/0]).
v() -> 1.
fib(N) when N < 2 -> N;
fib(N) -> fib(N - 1) + fib(N - 2).
ring(0, To) -> receive X -> To ! X + 1 end;
ring(N, To) -> P = spawn(?MODULE, ring, [N - 1, To]), receive X -> P ! X + 1 end.
remote() -> {node(), fib(15)}.
main() ->
    logger:set_primary_config(level, none),
    io:format("~p ~p~n", [fib(22), lists:foldl(fun(X, A) -> A * X end, 1, lists:seq(1, 30))]),
    P = spawn(?MODULE, ring, [20000, self()]), P ! 0, receive R -> io:format("ring ~p~n", [R]) end,
    S = self(), [spawn(fun() -> S ! {I, lists:sum(lists:seq(1, I))} end) || I <- lists:seq(1, 2000)],
    io:format("~p~n", [lists:sum([receive {_, N} -> N end || _ <- lists:seq(1, 2000)])]),
    io:format("~p~n", [[catch_(F) || F <- [fun() -> 1 / (ok_(0)) end, fun() -> hd(ok_([])) end, fun() -> exit(x) end, fun() -> throw(y) end]]]),
    {Pid, Ref} = spawn_monitor(fun() -> error(boom) end), receive {'DOWN', Ref, process, Pid, {Why, _}} -> io:format("~p~n", [Why]) end,
    T = ets:new(t, [public, {write_concurrency, true}]), Ws = [spawn_monitor(fun() -> [ets:update_counter(T, k, 1, {k, 0}) || _ <- lists:seq(1, 2000)] end) || _ <- lists:seq(1, 8)],
    [receive {'DOWN', _, _, W, _} -> ok end || {W, _} <- Ws], io:format("~p~n", [ets:lookup(T, k)]),
    io:format("~p~n", [binary:encode_hex(crypto:hash(sha256, <<"x">>))]), {Pub, Priv} = crypto:generate_key(ecdh, x25519), {Pub2, Priv2} = crypto:generate_key(ecdh, x25519),
    io:format("~p~n", [crypto:compute_key(ecdh, Pub2, Priv, x25519) =:= crypto:compute_key(ecdh, Pub, Priv2, x25519)]),
    {C, Tag} = crypto:crypto_one_time_aead(aes_128_gcm, <<1:128>>, <<2:96>>, <<"hello">>, <<>>, true), io:format("~p ~p~n", [binary:encode_hex(C), binary:encode_hex(Tag)]),
    io:format("~s", [os:cmd("echo port; uname -s")]), io:format("~p~n", [re:run("foo42", "[0-9]+", [{capture, all, list}])]),
    B = term_to_binary({a, [1.5, "x"], #{k => 1 bsl 100}}), io:format("~p ~p~n", [erlang:md5(B), binary_to_term(B)]), io:format("~.15g ~p~n", [math:pow(2.5, 0.3), 1 bsl 200 rem 1000007]),
    {ok, L} = gen_tcp:listen(0, [binary, {active, false}]), {ok, Port} = inet:port(L), spawn(fun() -> {ok, K} = gen_tcp:connect("localhost", Port, [binary]), gen_tcp:send(K, binary:copy(<<"z">>, 100000)), gen_tcp:close(K) end),
    {ok, K} = gen_tcp:accept(L), io:format("~p~n", [byte_size(all(K, <<>>))]),
    compile:forms([{attribute, 1, module, h}, {attribute, 2, export, [{f, 0}]}, {function, 3, f, 0, [{clause, 3, [], [], [{integer, 3, 42}]}]}], []), [hot(I) || I <- lists:seq(1, 50)], io:format("hot ~p~n", [h:f()]),
    erlang:garbage_collect(), receive after 20 -> ok end, io:format("~p ~p~n", [erlang:system_info(emu_flavor), erlang:system_info(wordsize)]), halt(5).
hot(I) -> {ok, M, Bin} = compile:forms([{attribute, 1, module, h}, {attribute, 2, export, [{f, 0}]}, {function, 3, f, 0, [{clause, 3, [], [], [{integer, 3, I}]}]}], []), code:purge(M), {module, M} = code:load_binary(M, "h", Bin), I = h:f().
all(K, A) -> case gen_tcp:recv(K, 0) of {ok, D} -> all(K, <<A/binary, D/binary>>); _ -> A end.
ok_(X) -> case erlang:phash2(1, 1) of 0 -> X end.
catch_(F) -> try F() catch A:B -> {A, B} end.
X
erlc +warn_none t.erl; echo "erlc $?"; erl -noshell -s t main; echo "erl $?"; erl +S 4:4 +A 4 -noshell -s t main | cksum; erl +S 1 -noshell -s t main | cksum
export ERL_EPMD_ADDRESS=127.0.0.1; echo '127.0.0.1 localhost' >/tmp/run/hosts; epmd -daemon; sleep 0.5
erl -noshell -name a@127.0.0.1 -setcookie c & n=$!; sleep 4
erl -noshell -name b@127.0.0.1 -setcookie c -eval 'io:format("~p ~p ~p~n", [net_adm:ping(list_to_atom("a@127.0.0.1")), rpc:call(list_to_atom("a@127.0.0.1"), t, remote, []), nodes()]), rpc:call(list_to_atom("a@127.0.0.1"), init, stop, []), timer:sleep(200), halt(0).'; echo "node $?"
wait $n; echo "other $?"; epmd -kill | head -n 1
