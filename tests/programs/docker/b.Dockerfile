FROM base
WORKDIR /app
COPY file.txt .
CMD echo "Built as: linux/arm64" && uname -a && ls /app
