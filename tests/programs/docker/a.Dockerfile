FROM base
RUN echo "1234" >> /opt/ma
RUN uname -m | grep aarch64
