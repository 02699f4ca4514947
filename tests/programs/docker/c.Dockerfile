FROM base AS build
WORKDIR /src
COPY hello.c .
RUN gcc -O2 -Wall -o hello hello.c && ./hello
FROM base
COPY --from=build /src/hello /usr/local/bin/hello
RUN hello
ENTRYPOINT ["hello"]
