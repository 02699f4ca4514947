# limit: 600
# git: history made by script, clone by file and by ssh, gc, repack, fsck, bisect, rebase, merge conflicts, worktrees, archives.
. /srv/network/sshd.inc
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@example.org GIT_CONFIG_NOSYSTEM=1 GIT_SSH_COMMAND="ssh -p 2200 $OPT"
git config --global init.defaultBranch main; git config --global advice.detachedHead false; git config --global gc.auto 0
git init -q a; cd a; git config pack.threads 4
i=0; { while [ $i -lt 400 ]; do
    printf 'commit refs/heads/main\ncommitter C <c@example.org> %d +0000\ndata <<X\nnumber %d\nX\n' $((1700000000 + i * 60)) $i
    printf 'M 100644 inline d%d/f%d\ndata <<X\n' $((i % 7)) $((i % 31)); seq $i $((i + 200)); printf 'X\nM 100644 inline n\ndata <<X\n%d\nX\n\n' $i; i=$((i + 1)); done; } | git fast-import --quiet; echo "import $?"
git reset -q --hard; git rev-parse HEAD; git rev-list --count HEAD; git fsck --full --strict; echo "fsck $?"
git gc -q --aggressive --prune=now; git count-objects -v | grep -E '^(count|in-pack|packs|garbage)'; git verify-pack .git/objects/pack/*.idx; echo "verify $?"
cd ..; git clone -q --no-local a b; git -C b rev-parse HEAD; git clone -q "ssh://root@127.0.0.1$PWD/a" c; git -C c rev-parse HEAD; git clone -q --depth 3 "file://$PWD/a" s; git -C s rev-list --count HEAD; git clone -q --filter=blob:none --no-checkout "file://$PWD/a" p 2>/dev/null; git -C p rev-list --count HEAD
cd b; git bisect start HEAD HEAD~399 >/dev/null; git bisect run sh -c 'test $(cat n) -lt 277' 2>&1 | grep -E 'is the first|^ *number'; git bisect reset -q
git config commit.gpgsign false; GIT_COMMITTER_DATE='2024-01-01T00:00:00Z'; GIT_AUTHOR_DATE=$GIT_COMMITTER_DATE; export GIT_COMMITTER_DATE GIT_AUTHOR_DATE
git checkout -q -b topic HEAD~20; for i in 1 2 3; do echo $i >t$i; git add t$i; git commit -qm "t$i"; done; git rebase -q main; git rev-parse HEAD
echo ours >n; git commit -qam ours; git checkout -q main; echo theirs >n; git commit -qam theirs; git merge topic 2>&1 | tail -n 2; git diff --name-only --diff-filter=U; echo both >n; git commit -qam both; git log --graph --oneline -6
git push -q origin main:refs/heads/pushed; git -C ../a rev-parse pushed; (cd ../c && git fetch -q && git log -1 --format=%s origin/pushed; git remote set-url --push origin "ssh://root@127.0.0.1${PWD%/*}/a"; git push -q origin HEAD:refs/heads/overssh; git ls-remote origin | wc -l)
git worktree add -q ../w topic; git -C ../w grep -c 100 -- d3 | head -n 3; git blame -s d3/f10 | sha256sum; git log -p --stat -M -C | sha256sum; git archive --format=tar HEAD | sha256sum; git archive --format=zip HEAD | wc -c
git repack -qadf --window=50 --threads=4; git multi-pack-index write --no-progress; git commit-graph write --reachable --no-progress; git fsck; echo "fsck $?"; git bundle create -q ../x.bundle --all; git clone -q ../x.bundle ../y -b main; git -C ../y status -sb | head -n 1
git stash list; echo x >>n; git stash -q; git stash pop -q; git diff --stat; git submodule --quiet add -b main "file://${PWD%/*}/s" sub 2>/dev/null; git -c protocol.file.allow=always submodule --quiet add "file://${PWD%/*}/a" sub2; git submodule status | cut -c2-41
cd ..; kill "$(cat sshd.pid)"
