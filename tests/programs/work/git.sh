# git with fixed dates: the same objects have the same names everywhere.
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@example.org GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat
export GIT_AUTHOR_DATE='2024-01-02T03:04:05Z' GIT_COMMITTER_DATE='2024-01-02T03:04:05Z'
git init -q -b main repo && cd repo || exit
mkdir -p src/deep; for i in $(seq 60); do seq $i $((i * 20)) >src/f$i; done; cp src/f7 src/deep/copy; ln -s ../f1 src/deep/link; chmod +x src/f2
git add . && git commit -q -m 'First' && git log --stat | tail -n 3
for i in 1 2 3 4 5; do echo "change $i" >>src/f$i; git mv src/f$((i + 20)) src/moved$i; git commit -qam "Change $i"; done
git log --format='%H %T %s %ad' --date=iso; git log --oneline -M --name-status -n 2
git checkout -q -b topic HEAD~3 && echo topic >topic && git add topic && git commit -qm Topic && git checkout -q main && git merge -q -m Merge topic && git log --graph --oneline
git tag -a -m tagged v1 && git describe && git rev-parse v1 HEAD^2 HEAD: && git diff --stat HEAD~4 && git blame -s src/f3 | tail -n 2
git gc -q && git fsck --full 2>/dev/null; git count-objects -v | grep -E 'count|in-pack|packs'
cd .. && git clone -q repo clone && cd clone && git log -n 1 --format=%H && git ls-tree -r HEAD | sha256sum && git status --short --branch
echo x >src/f9; git stash -q && git stash list --format=%gd && git stash pop -q && git diff | tail -n 3
git rebase -q HEAD~1 2>&1 | head -n 1; git grep -c 'change' | sort; git archive HEAD | tar t | wc -l; git bundle create -q ../b main && git bundle verify -q ../b 2>&1 | tail -n 1
