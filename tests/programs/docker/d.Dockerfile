FROM base
ARG WHO=nobody
ENV GREETING="hello there"
SHELL ["/bin/bash", "-e", "-o", "pipefail", "-c"]
COPY --chmod=755 script.py /usr/local/bin/script
RUN seq 3 | sed 's/^/n=/' | tee /tmp/seq; [[ $(wc -l </tmp/seq) == 3 ]]
USER 1234:1234
RUN ["/usr/local/bin/script", "as", "user"]
RUN test "$(id -u)" = 1234 && ! touch /etc/x 2>/dev/null && echo "$WHO" >/tmp/who
CMD ["/usr/local/bin/script", "at", "run"]
