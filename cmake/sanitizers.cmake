set(QKV_SANITIZERS "" CACHE STRING "Sanitizers to build with: address,undefined or thread; empty for none")

if(QKV_SANITIZERS)
  # Everything is built with them, tests and kernels too; the first finding ends the program.
  add_compile_options(-fsanitize=${QKV_SANITIZERS} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${QKV_SANITIZERS})
endif()
