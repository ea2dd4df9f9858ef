FROM base
ENTRYPOINT ["/parent"]
CMD ["pc"]
