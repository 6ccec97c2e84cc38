# Tests of the program's parts, without its commands: everything of apps/cli/ but main and the commands themselves.
if(TARGET test_cli)
  file(GLOB parts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/apps/cli/*.cpp)
  list(FILTER parts EXCLUDE REGEX "/(main|version|command[^/]*)\\.cpp$")
  list(FILTER parts EXCLUDE REGEX "/(model_file|written_text|train_[^/]*|training_run|parallel_lines|json_lines)\\.cpp$")
  target_sources(test_cli PRIVATE ${parts})
  target_link_libraries(test_cli PRIVATE media::png)
endif()
