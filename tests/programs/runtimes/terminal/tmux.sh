# limit: 300
# Job control of a shell in tmux's windows: stopped, in the background and again in front; ^C, ^Z, ^\\, hang-up, sizes, detached sessions.
export TERM=screen SHELL=/bin/bash HOME=/tmp/home
t() { tmux -L rf -f /dev/null "$@"; }
# Wait until the pane shows a line, then say so.
sees() {
    for i in $(seq 200); do
        t capture-pane -p -t "$1" | grep -qxE "$2" && { echo "$1 sees $2"; return; }
        sleep 0.1
    done
    echo "$1 does not see $2:"; t capture-pane -p -t "$1"
}
keys() { t send-keys -t "$@"; }
t new-session -d -s one -x 80 -y 24 'PS1="> " exec bash --norc --noprofile'
sees one:0 '> ?'
keys one:0 'echo size $(stty size) $((20 + 3))' Enter; sees one:0 'size 2[34] 80 23'
keys one:0 'sleep 1000' Enter; sleep 1; keys one:0 C-z; sees one:0 '\[1\]\+  Stopped +sleep 1000'
keys one:0 'ps -o stat= -C sleep | cut -c1' Enter; sees one:0 'T'
keys one:0 'bg' Enter; sees one:0 '\[1\]\+ sleep 1000 &'
keys one:0 'sleep 2000 | cat; echo status $?' Enter; sleep 1; keys one:0 C-z; sees one:0 '\[2\]\+  Stopped +sleep 2000 \| cat'
keys one:0 'clear; fg %1' Enter; sees one:0 'sleep 1000'; sleep 2; keys one:0 C-c; sleep 1
keys one:0 'echo after $?' Enter; sees one:0 'after 130'
keys one:0 'kill %2; wait; jobs | wc -l' Enter; sees one:0 '[0-9]+'
keys one:0 'clear; (trap "echo in the child" QUIT; for i in 1 2 3 4 5 6; do sleep 1; done)' Enter; sleep 2; keys one:0 'C-\'; sees one:0 '.*in the child'
t new-window -d -t one:1 'PS1="> " exec bash --norc --noprofile'; sees one:1 '> ?'
keys one:1 'sh -c "trap \"stty size\" WINCH; while :; do sleep 0.2; done"' Enter; sleep 2
t resize-window -t one:1 -x 100 -y 30; sees one:1 '(30|29) 100'
t split-window -d -t one:0 -l 5 'sleep 3000'; t list-panes -t one:0 | wc -l
t new-session -d -s two 'trap "echo hung up >/tmp/run/hup; exit" HUP; while :; do sleep 0.1; done'; sleep 1
t list-sessions -F '#{session_name} #{session_windows} #{session_attached}'
t kill-session -t two; for i in $(seq 100); do [ -s /tmp/run/hup ] && break; sleep 0.1; done; cat /tmp/run/hup
t kill-server; for i in $(seq 100); do pgrep -x sleep >/dev/null || break; sleep 0.1; done; pgrep -c . >/dev/null; pgrep -x 'sleep|tmux|cat' | wc -l
