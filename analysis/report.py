def write(folder): return "stub"
